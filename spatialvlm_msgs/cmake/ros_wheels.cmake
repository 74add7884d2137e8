# For builds against the ros-* wheels of PyPI; changes nothing on a ROS installation.
#
# The wheels export, from every <package>__rosidl_generator_py target, the Python and NumPy
# include directories of the machine that built them. CMake refuses an imported target whose
# include directory does not exist, so those directories are dropped. It is deferred to the end
# of this directory, when every find_package() call has been made.
include_guard(DIRECTORY)

function(_ros_wheels_drop_missing_includes)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(directories)
      set(kept "")
      foreach(directory IN LISTS directories)
        # "$<...>" is a generator expression: only CMake can tell what it stands for.
        if(directory MATCHES "^\\$<" OR EXISTS "${directory}")
          list(APPEND kept "${directory}")
        endif()
      endforeach()
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
    endif()
  endforeach()
endfunction()

cmake_language(DEFER CALL _ros_wheels_drop_missing_includes)
