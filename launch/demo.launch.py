"""The simulated robot and the nodes that measure, reward and plan for it.

    ros2 launch spatialvlm_ros demo.launch.py seed:=3
    ros2 action send_goal /planner_node/execute_task spatialvlm_msgs/action/ExecuteTask \
        "{instruction: pick up the red block and put it on the green plate}" --feedback
"""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription
from spatialvlm_ros.share import config_file, share_directory


def generate_launch_description():
    system = PythonLaunchDescriptionSource(str(share_directory() / "launch" / "spatialvlm.launch.py"))
    return LaunchDescription(
        [
            DeclareLaunchArgument("seed", default_value="0", description="Seed of the scene."),
            DeclareLaunchArgument(
                "task",
                default_value="pick up the red block and put it on the green plate",
                description="Task that reward_node rewards.",
            ),
            DeclareLaunchArgument("rviz", default_value="false", description="Watch in RViz."),
            Node(
                package="spatialvlm_ros",
                executable="sim_robot_node",
                name="sim_robot_node",
                output="screen",
                parameters=[
                    str(config_file("sim_robot_node.yaml")),
                    {"seed": ParameterValue(LaunchConfiguration("seed"), value_type=int)},
                ],
            ),
            IncludeLaunchDescription(
                system,
                launch_arguments={
                    "camera": "sim",
                    "robot": str(config_file("robots", "sim.yaml")),
                    "task": LaunchConfiguration("task"),
                    "use_sim_time": "true",
                    "executor": "sim",
                    "allow_motion": "true",
                    "rviz": LaunchConfiguration("rviz"),
                }.items(),
            ),
        ]
    )
